# SPDX-License-Identifier: GPL-2.0

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

# T is a kselftest of that name, or a case of any KUnit suite.
ONLY = $(if $(T),only=$(T) kunit.filter_glob=$(if $(findstring .,$(T)),,*.)$(T))
STRESS = stress $(1) duration=$(DURATION) seed=$(SEED)
DURATION ?= 30
ON ?= debug

# One that comes with make says which machine the guest is; one that was in the
# environment before was meant for other builds.
ifeq ($(origin ARCH),environment)
unexport ARCH
endif

# What a guest reports, and that it could not; the arguments of boot.sh, and ARCH=.
guest = { echo "\# $(1) $(2)"; $(2) LIMIT=$$(($(DURATION) + 900)) lab/boot.sh $(1) || echo "not ok - the guest: $(1) $(2)"; }

NATIVE = { tools/testing/ioasids/test.sh || echo 'not ok - the native tests'; }
CHECKS = .ci/check $(T)
GUEST = $(call guest,test '' $(ONLY))
DEBUG = $(call guest,test debug $(ONLY))
STRESSES = $(call guest,$(call STRESS,debug)); $(call guest,$(call STRESS,kcsan))
ARM64 = $(call guest,test '' $(ONLY),ARCH=arm64)$(if $(T),,; $(call guest,$(call STRESS,''),ARCH=arm64))
CLIENTS = { echo '\# clients'; lab/clients.sh || echo 'not ok - the guests of the clients'; }
OTHERS = { lab/compare.sh || echo 'not ok - the comparison'; }

.PHONY: help run shell test check test-native test-guest test-debug test-stress test-arm64 test-others test-clients
.PHONY: stress coverage bench kernel shell-debian deb install clean clean-cache

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
	@echo 'make test T=NAME runs the one test or check of that name.'

run: ## boot a kernel with the controller and show an administrator's session
	@lab/boot.sh session

shell: ## boot it and give a shell; leave by exit, or Ctrl-A X
	@lab/boot.sh shell

shell-debian: ## the same in a Debian guest with container runtimes and our package
	@lab/clients.sh shell

test: ## run all checks and all tests
	@{ $(if $(T),,$(NATIVE);) $(CHECKS) && [ '$(T)' ] || { $(GUEST); [ '$(T)' ] || { $(DEBUG); $(STRESSES); $(ARM64); $(OTHERS); $(CLIENTS); }; }; } | .ci/count $(T)

check: ## check the sources, and kernels without some part of ours
	@$(CHECKS) | .ci/count $(T)

test-native: ## run the same source in user space: a model, sanitizers, fuzzers
	@$(NATIVE) | .ci/count

test-guest: ## run the tests in a guest: KUnit, then kselftests
	@$(GUEST) | .ci/count $(T)

test-debug: ## run them on a kernel with KASAN, lockdep, kmemleak and more
	@$(DEBUG) | .ci/count $(T)

test-stress: ## run the stress for 30 s on that one, and on one with KCSAN
	@{ $(STRESSES); } | .ci/count

test-arm64: ## run the tests, and the stress, on arm64, where SVA can be had
	@{ $(ARM64); } | .ci/count $(T)

stress: ## run it for DURATION s with SEED on the kernel ON: debug, kcsan or nothing
	@$(call guest,$(call STRESS,'$(ON)')) | .ci/count

test-others: ## compare what the kernel's own cgroup tests say with ours and without
	@$(OTHERS) | .ci/count

test-clients: ## run systemd, podman, LXC and others in a Debian guest, with limits
	@$(CLIENTS) | .ci/count

coverage: ## print which lines of the controller and the allocator KUnit runs
	@lab/coverage.sh

bench: ## measure it against pids, misc, rdma and page_counter; draw the charts
	@tools/testing/ioasids/bench.sh

kernel: ## build the kernel only, and print where it is
	@lab/kernel.sh

deb: ## build the Debian package of the tools, and print where it is
	@lab/deb.sh

install: ## build and install the tools, below DESTDIR and PREFIX
	@O=$$(mktemp -d) && $(MAKE) -C tools/ioasids O="$$O" install && rm -r "$$O"

clean: ## nothing to do: nothing is built in the checkout
	@echo 'What is built is elsewhere: make clean-cache'

clean-cache: ## remove everything downloaded and built
	@. lab/lib.sh && rm -rf "$$CACHE" && echo "$$CACHE is gone"
