#define NOT_TRIED	2	/* returned by a step that is not possible now */

/* No process, no cgroup */
#define NONE		-1

enum { ROOT, TOP, LEFT, RIGHT, AWAY, NR_CGROUPS };

static const int parents[NR_CGROUPS] = {
	[ROOT] = NONE, [TOP] = ROOT, [LEFT] = TOP, [RIGHT] = TOP, [AWAY] = TOP,
};

