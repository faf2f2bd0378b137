# SPDX-License-Identifier: GPL-2.0
"""
Shows the I/O address space IDs of a crash dump or of the running kernel: the capacity, the
sets with their owners and the cgroups that pay, and the cgroups. It compares the counts with
each other, and ends with status 1 if they differ. In a running kernel, and in a dump that was
made during a request, they can differ by what is under way.

    drgn -c VMCORE -s VMLINUX ioasids.py [--ids]
    drgn ioasids.py [--ids]
"""
import argparse
import sys
from collections import Counter, defaultdict

from drgn import cast, container_of
from drgn.helpers.linux.cgroup import css_for_each_descendant_pre
from drgn.helpers.linux.pid import pid_task
from drgn.helpers.linux.xarray import xa_for_each

ALLOCATOR = "drivers/iommu/ioasid.c"
NO_LIMIT = 2**64 - 1


def text(name):
    """Users choose names: bytes that a terminal could obey are escaped."""
    return "".join(
        c if c.isprintable() else "".join("\\x%02x" % b for b in c.encode("utf-8"))
        for c in name.decode("utf-8", "backslashreplace")
    )


def path_of(css):
    """The path of a cgroup, also of one that was removed."""
    path = []
    cgroup = css.cgroup
    while cgroup.self.parent:
        path.append(text(cgroup.kn.name.string_()))
        cgroup = container_of(cgroup.self.parent, "struct cgroup", "self")
    return "/" + "/".join(reversed(path))


def number(atomic):
    return atomic.counter.value_()


def ranges(numbers):
    """1-3,7 for 1, 2, 3, 7"""
    result = []
    for n in sorted(numbers):
        if result and n == result[-1][1] + 1:
            result[-1][1] = n
        else:
            result.append([n, n])
    return ",".join("%d-%d" % (a, b) if a < b else "%d" % a for a, b in result)


def table(rows):
    """Columns of numbers, with one of text at the end."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        print(*(str(v).rjust(w) for v, w in zip(row, widths)), row[-1])


def read_sets(prog):
    """All sets, with their charge, payer and IDs."""
    ids = defaultdict(list)
    for index, entry in xa_for_each(prog.variable("ioasids", ALLOCATOR).address_of_()):
        ids[cast("struct ioasid *", entry).set.value_()].append(index)
    sets = []
    for _, entry in xa_for_each(prog.variable("sets", ALLOCATOR).address_of_()):
        a_set = cast("struct ioasid_set *", entry)
        account = a_set.account
        quota, allocated = account.quota.value_(), account.allocated.value_()
        task = pid_task(a_set.owner, prog.constant("PIDTYPE_TGID")) if a_set.owner else None
        sets.append({
            "id": a_set.account.id.value_(),
            "type": "process" if a_set.mm else "kernel",
            "quota": quota,
            "allocated": allocated,
            "charge": quota or allocated,
            # Without an owner nobody pays, and without a cgroup the root, which counts nothing.
            "payer": account.cg.value_() if account.owner else 0,
            "cgroup": "-" if not account.owner else path_of(account.cg.css) if account.cg else "/",
            "pid": a_set.owner.numbers[0].nr.value_() if task else "-",
            "command": text(task.comm.string_()) if task else "-",
            "ids": ids.pop(a_set.value_(), []),
        })
    return sets


def read_cgroups(prog):
    """All cgroups that count, with those that were removed and still exist."""
    root = prog["init_css_set"].subsys[prog.constant("ioasids_cgrp_id")]
    dying = prog.constant("CSS_DYING").value_()
    cgroups = []
    for css in css_for_each_descendant_pre(root):
        if not css.parent:
            continue
        cgroup = container_of(css, "struct ioasids_cgroup", "css")
        maximum, count = cgroup.max.value_(), number(cgroup.count)
        cgroups.append({
            "address": cgroup.value_(),
            "parent": cgroup.parent.value_(),
            "max": "max" if maximum == NO_LIMIT else maximum,
            "current": count,
            "peak": max(cgroup.peak.value_(), count),
            "refused": number(cgroup.events[0]),
            "failed": number(cgroup.events[1]),
            "cgroup": path_of(css) + (" (removed)" if css.flags.value_() & dying else ""),
        })
    return cgroups


def compare(capacity, sets, cgroups):
    """Prints the counts that do not agree, and returns how many there are."""
    wrong = []
    charges = Counter()
    for s in sets:
        charges[s["payer"]] += s["charge"]
        if len(s["ids"]) != s["allocated"]:
            wrong.append("set %d has %d IDs, and counts %d" % (s["id"], len(s["ids"]), s["allocated"]))
    # From the leaves up: a cgroup comes after those above it.
    for c in reversed(cgroups):
        if charges[c["address"]] != c["current"]:
            wrong.append("the sets in %s have %d IDs, and it is charged %d" %
                         (c["cgroup"], charges[c["address"]], c["current"]))
        charges[c["parent"]] += charges[c["address"]]
    taken = sum(s["charge"] for s in sets)
    if taken != capacity["kernel"] + capacity["user"]:
        wrong.append("all sets have %d IDs, and the machine counts %d" %
                     (taken, capacity["kernel"] + capacity["user"]))
    for line in wrong:
        print("WRONG:", line)
    return len(wrong)


def main(prog):
    parser = argparse.ArgumentParser(description="Shows the I/O address space IDs of a kernel.")
    parser.add_argument("--ids", action="store_true", help="list the IDs of each set")
    show_ids = parser.parse_args().ids

    total = prog.variable("capacity_total", ALLOCATOR).value_()
    left = number(prog.variable("capacity_left", ALLOCATOR))
    kernel = number(prog.variable("capacity_kernel", ALLOCATOR))
    capacity = {"total": total, "kernel": kernel, "user": total - left - kernel, "available": max(left, 0)}
    sets = read_sets(prog)
    cgroups = read_cgroups(prog)

    print(*("%s %d" % item for item in capacity.items()))
    print()
    names = ["id", "type", "quota", "allocated", "pid", "command", "cgroup"]
    table([["SET", "TYPE", "QUOTA", "ALLOCATED", "PID", "COMMAND", "CGROUP"]] + [[s[n] for n in names] for s in sets])
    if show_ids:
        print()
        for s in sets:
            print("set %d:" % s["id"], ranges(s["ids"]) or "-")
    print()
    names = ["max", "current", "peak", "refused", "failed", "cgroup"]
    table([["MAX", "CURRENT", "PEAK", "REFUSED", "FAILED", "CGROUP"]] + [[c[n] for n in names] for c in cgroups])
    return 1 if compare(capacity, sets, cgroups) else 0


sys.exit(main(prog))  # noqa: F821: drgn defines prog
