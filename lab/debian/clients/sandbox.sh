# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: engines
#
# bubblewrap, and scopes of a user.

# in_scope COMMAND...: a user's command in a scope with a limit.
in_scope() {
	local scope
	as_user ioasidctl run --max=5 -- "$@" &
	eventually holds_five
	scope=$(scope_of_user)
	limited $scope 5
	keeps $scope systemctl daemon-reload
	keeps $scope as_user systemctl --user daemon-reload
	as_user systemctl --user stop ${scope##*/}
	wait
	gone $scope
}

scope_of_user() { ioasidctl ls -n -r -o PATH,CURRENT /$manager | sed -n 's,^/\(.*\.scope\) 5$,\1,p'; }
holds_five() { [ "$(scope_of_user)" ]; }

check 'scopes: a user' make_user
check 'scopes: ioasidctl run of a user' in_scope sh -c "$inside" 5
check 'bubblewrap: in such a scope' in_scope bwrap --dev-bind / / --unshare-pid sh -c "$inside" 5
