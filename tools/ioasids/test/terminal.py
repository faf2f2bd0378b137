#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""terminal.py ROWS COLUMNS KEYS COMMAND...: runs a command in a terminal of this size.

Each time that it has drawn something it gets one of the keys, which blanks separate, and
in the end the end of input and q by turns. Prints what it draws, and to descriptor 3 the milliseconds of CPU time that it used.
"""
import fcntl, os, pty, resource, select, struct, sys, termios

rows, columns, keys, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(), sys.argv[4:]
end = ["\x04", "q"]
pid, terminal = pty.fork()
if not pid:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(command[0], command)
while True:
    try:
        if select.select([terminal], [], [], 0.3)[0]:
            drawn = os.read(terminal, 65536)
            if not drawn:
                break
            os.write(1, drawn)
            if not keys:
                continue
        if keys:
            key = keys.pop(0).encode().decode("unicode_escape")
        else:
            key, end = end[0], end[::-1]
        os.write(terminal, key.encode())
    except OSError:
        break
status = os.waitpid(pid, 0)[1]
used = resource.getrusage(resource.RUSAGE_CHILDREN)
try:
    os.write(3, b"%d\n" % ((used.ru_utime + used.ru_stime) * 1000))
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(status))
