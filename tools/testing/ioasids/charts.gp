# SPDX-License-Identifier: GPL-2.0-only
#
# The charts of Documentation/admin-guide/ioasids-performance.rst, from what
# bench.sh has in work.

set terminal svg size 720,420 noenhanced font "sans,13" background "white"
peers = "ioasids pids misc page_counter rdma"
rows(file, what, whose, columns) = sprintf("< awk '$1 == \"%s\" && $2 == \"%s\" { print %s }' %s/%s", \
	what, whose, columns, work, file)

set style data linespoints
set key top left
set grid
set logscale xy 2
set xlabel "depth of the cgroup"
set xtics (1, 2, 4, 8, 16, 32)

set output out . "-pair.svg"
set title "Charge and uncharge of one"
set ylabel "instructions"
plot for [p in peers] rows("count.1", "pair", p, "$3, $4") using 1:2 title p linewidth 2

set output out . "-refused.svg"
set title "A charge that the topmost cgroup refuses"
plot for [p in peers] rows("count.1", "refused_above", p, "$3, $4") using 1:2 title p linewidth 2

unset logscale y
set yrange [0:*]
set output out . "-device.svg"
set title "Allocate and free through the device"
set key bottom right
plot rows("count.1", "ioctls", "ioasids", "$3, $4") using 1:2 title "charged one by one" linewidth 2, \
     rows("count.1", "ioctls_reserved", "ioasids", "$3, $4") using 1:2 title "within a reservation" linewidth 2, \
     rows("count.1", "ioctls", "disabled", "1, $4; print 32, $4") using 1:2 with lines \
	title "cgroup_disable=ioasids" linewidth 2 dashtype 2

set key top right
set output out . "-time.svg"
set title "Charge and uncharge of one: time, ioasids to pids (median and quartiles)"
set ylabel "ratio"
plot rows("time", "depth_to_pids", "ioasids", "$3, $4, $5, $6") using 1:2:3:4 with yerrorlines \
	title "one thread" linewidth 2, 1 title "pids" linewidth 2 dashtype 2

unset logscale x
set xrange [0.5:*]
set yrange [0:*]
set offsets 0, 0.5, 0.1, 0
set xtics 1
set xlabel "threads"
set output out . "-threads.svg"
set title "The same with several threads"
plot for [s in "same siblings cousins"] rows("time", s . "_to_pids", "ioasids", "$3, $4, $5, $6") \
	using 1:2:3:4 with yerrorlines title s linewidth 2, 1 title "pids" linewidth 2 dashtype 2
