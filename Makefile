# SPDX-License-Identifier: GPL-2.0

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
unexport CDPATH

# T=NAME: one kselftest, or one case of any KUnit suite
ONLY = $(if $(T),only=$(T) kunit.filter_glob=$(if $(findstring .,$(T)),,*.)$(T))
# With KCSAN, all KUnit suites run before the stress; other kernels have run them before.
STRESS = stress $(1) duration=$(DURATION) seed=$(SEED) $(if $(findstring kcsan,$(1)),,kunit.filter_glob=ioasid_stress)
DURATION ?= 30
ON ?= debug

# make ARCH=arm64 chooses the guest; kernel developers export ARCH for other builds.
ifeq ($(origin ARCH),environment)
unexport ARCH
endif

# What only newer kernels have, as SVA on x86, is tested on this one, unless KERNEL is set.
NEWEST = $(if $(KERNEL),,KERNEL=7.3)

# The report of a guest: the arguments of lab/boot.sh, and its environment.
guest = { echo "\# $(1) $(2)"; $(2) LIMIT=$$(($(DURATION) + 2700)) lab/boot.sh $(1) || echo "not ok - the guest: $(1) $(2)"; }

# A lane prints test results and does not fail itself.
QUICK = guest native-quick check-quick
LANES = debug check native stress arm64 others guest clients
lane.check = .ci/check
lane.check-quick = .ci/check --quick
lane.native = { tools/testing/ioasids/test.sh || echo 'not ok - the native tests'; }
lane.native-quick = { tools/testing/ioasids/test.sh 15 || echo 'not ok - the native tests'; }
lane.guest = $(call guest,test '' $(ONLY))
lane.debug = $(call guest,test debug $(ONLY),$(NEWEST))
lane.stress = $(call guest,$(call STRESS,debug),$(NEWEST)); $(call guest,$(call STRESS,kcsan))
lane.arm64 = $(call guest,test '' $(or $(ONLY),programs=test_ioasids_sva),ARCH=arm64)$(if $(T),,; $(call guest,$(call STRESS,''),ARCH=arm64))
lane.others = { lab/compare.sh || echo 'not ok - the comparison'; }
lane.clients = { echo '\# clients'; lab/clients.sh $(T) || echo 'not ok - the guests of the clients'; }
run-lanes = exec 8>&2; $(MAKE) --no-print-directory -k -j2 -Otarget $(1) | .ci/count

ALL_LANES = $(sort $(LANES) $(QUICK))
.PHONY: help run shell shell-debian test test-all check test-native test-guest test-debug test-stress test-arm64
.PHONY: test-others test-clients $(ALL_LANES:%=lane-%) disk stress coverage bench kernel kernel-deb series test-series deb install uninstall clean clean-cache

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
	@echo 'make test T=NAME runs the one check, kselftest or KUnit case of that name.'
	@echo 'KERNEL=7.3 chooses that version of Linux, where 6.12 is used otherwise.'

run: ## boot a kernel with the controller and show an administrator's session
	@lab/boot.sh session

shell: ## boot it and give a shell; leave with exit, or Ctrl-A X
	@lab/boot.sh shell

shell-debian: ## the same in a Debian guest with container runtimes and the tools
	@lab/clients.sh shell

test: ## the quick checks, the native tests, and KUnit and kselftests in a guest
ifdef T
	@{ .ci/check $(T) || $(lane.guest); } | .ci/count $(T)
else
	@$(call run-lanes,$(QUICK:%=lane-%))
endif

test-all: ## everything: all lanes below, on all kernels
	@$(call run-lanes,disk $(LANES:%=lane-%))

# Two lanes run at a time, the longest first. The last has two guests of its own.
lane-clients: | disk $(filter-out lane-clients,$(LANES:%=lane-%))

# Mostly waits for the network. If it fails, lane-clients reports it.
disk:
	-@lab/debian.sh >/dev/null

# The results of a lane are shown when it ends; progress goes to descriptor 8.
$(ALL_LANES:%=lane-%): lane-%:
	@echo 'Lane $* begins' >&8; { $(lane.$*); } || echo 'not ok - the lane $*'; echo "Lane $* took $$SECONDS s" >&8

check: ## check the sources, and kernels without one part of the project
	@.ci/check $(T) | .ci/count $(T)

test-native: ## the same source in user space: a model, sanitizers, fuzzers
	@$(lane.native) | .ci/count

test-guest: ## KUnit, then kselftests, in the small guest
	@$(lane.guest) | .ci/count $(T)

test-debug: ## the same on Linux 7.3 with KASAN, lockdep, kmemleak and more
	@$(lane.debug) | .ci/count $(T)

test-stress: ## 30 s of stress on that kernel, and on one with KCSAN
	@{ $(lane.stress); } | .ci/count

test-arm64: ## KUnit, the tests of SVA and the stress on arm64
	@{ $(lane.arm64); } | .ci/count $(T)

test-others: ## the kernel's own cgroup tests, with the project and without
	@$(lane.others) | .ci/count

test-clients: ## systemd, podman, LXC and others with limits, in Debian guests
	@{ $(lane.clients); } | .ci/count

stress: ## the stress for DURATION s with SEED on the kernel ON: debug, kcsan or nothing
	@$(call guest,$(call STRESS,'$(ON)')) | .ci/count

coverage: ## print which lines of the controller and the allocator KUnit runs
	@lab/coverage.sh

bench: ## compare the costs with those of pids, misc, rdma and page_counter
	@tools/testing/ioasids/bench.sh

kernel: ## build the kernel only, and print where it is
	@lab/kernel.sh

kernel-deb: ## build packages of a kernel for a real machine, as CONFIG says; see the script
	@lab/kernel-deb.sh

series: ## write patches for git am, from the one who runs it, and print where
	@lab/series.sh

test-series: ## build and boot the kernel after each of these patches, for ARCH
	@{ lab/series.sh build || echo 'not ok - the series'; } | .ci/count

deb: ## build the Debian package of the tools, and print where it is
	@lab/deb.sh

install: ## build and install the tools, below DESTDIR and PREFIX
	@O=$$(mktemp -d) && trap 'rm -r "$$O"' EXIT && $(MAKE) -C tools/ioasids O="$$O" $${DESTDIR:+DESTDIR="$$(realpath -m "$$DESTDIR")"} install

uninstall: ## remove what install has installed
	@$(MAKE) -C tools/ioasids $${DESTDIR:+DESTDIR="$$(realpath -m "$$DESTDIR")"} uninstall

clean: ## nothing to do: nothing is built in the checkout
	@echo 'Nothing is built in the checkout; make clean-cache removes the rest'

clean-cache: ## remove everything downloaded and built
	@. lab/lib.sh && rm -rf "$$CACHE" && echo "$$CACHE is removed"
