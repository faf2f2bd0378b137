# SPDX-License-Identifier: GPL-2.0

SHELL := /bin/bash -o pipefail
# T: a kselftest of that name, or a case of any KUnit suite
GUEST = { lab/boot.sh test '' $(if $(T),only=$(T) kunit.filter_glob=$(if $(findstring .,$(T)),,*.)$(T)) || \
	echo 'not ok - the guest'; }

.PHONY: help run shell test check test-guest kernel clean clean-cache

help: ## print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
	@echo
	@echo 'make test T=NAME runs the one test or check of that name.'
	@echo 'Builds are kept in $${XDG_CACHE_HOME:-~/.cache}/ioasids.'

run: ## boot a kernel with the controller and show an administrator's session
	@lab/boot.sh session

shell: ## boot it and give a shell; leave by exit, or Ctrl-A X
	@lab/boot.sh shell

test: ## run everything below
	@{ lab/check.sh $(T); $(GUEST); } | lab/count.awk -v only='$(T)'

check: ## check the sources, and the kernels without some part of ours
	@lab/check.sh $(T) | lab/count.awk -v only='$(T)'

test-guest: ## run the tests in a guest: KUnit, then kselftests
	@$(GUEST) | lab/count.awk -v only='$(T)'

kernel: ## build the kernel only, and print where it is
	@lab/kernel.sh

clean: ## nothing: the checkout is never built in
	@echo 'Nothing is ever built in the checkout; make clean-cache removes what is built elsewhere.'

clean-cache: ## remove everything downloaded and built
	@lab/lib.sh clean
