# SPDX-License-Identifier: GPL-2.0

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

# T is a kselftest of that name, or a case of any KUnit suite.
GUEST_TESTS = { lab/boot.sh test '' $(if $(T),only=$(T) kunit.filter_glob=$(if $(findstring .,$(T)),,*.)$(T)) || \
	echo 'not ok - the guest'; }

.PHONY: help run shell test check test-guest kernel clean clean-cache

help: ## print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
	@echo 'make test T=NAME runs the one test or check of that name.'

run: ## boot a kernel with the controller and show an administrator's session
	@lab/boot.sh session

shell: ## boot it and give a shell; leave by exit, or Ctrl-A X
	@lab/boot.sh shell

test: ## run all checks and all tests
	@{ .ci/check $(T) && [ '$(T)' ] || $(GUEST_TESTS); } | .ci/count $(T)

check: ## check the sources, and kernels without some part of ours
	@.ci/check $(T) | .ci/count $(T)

test-guest: ## run the tests in a guest: KUnit, then kselftests
	@$(GUEST_TESTS) | .ci/count $(T)

kernel: ## build the kernel only, and print where it is
	@lab/kernel.sh

clean: ## nothing to do: nothing is built in the checkout
	@echo 'What is built is elsewhere: make clean-cache'

clean-cache: ## remove everything downloaded and built
	@. lab/lib.sh && rm -rf "$$CACHE" && echo "$$CACHE is gone"
