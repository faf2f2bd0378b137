# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Installs the package of the tools and runs the tests in clients/ that are listed by
# clients= on the kernel's command line.

is_installed() {
	install_package
	is '' sh -c 'dpkg -L ioasids-tools | grep ^/etc/containers'
	is 'active' systemctl is-active ioasids-enable.service
	is '*ioasids*' cat $root/cgroup.subtree_control
	is '*ioasids*' cat $root/system.slice/cgroup.subtree_control
	eventually is 'root:ioasid 660' stat -c '%U:%G %a' /dev/ioasid
}

check 'the package: is installed, and switches the controller on' is_installed
clients=$(sed -n 's/.*\<clients=\([^ ]*\).*/\1/p' /proc/cmdline)
for client in ${clients//,/ }; do
	started=$SECONDS
	# shellcheck source=/dev/null
	. "clients/$client.sh"
	echo "# $client: $((SECONDS - started)) s"
done
