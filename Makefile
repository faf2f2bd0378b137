# SPDX-License-Identifier: GPL-2.0

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
unexport CDPATH

# T=NAME: one kselftest, or one case of any KUnit suite
ONLY = $(if $(T),only=$(T) kunit.filter_glob=$(if $(findstring .,$(T)),,*.)$(T))
# With KCSAN, all KUnit suites run before the stress: no other lane boots that kernel.
STRESS = stress $(1) duration=$(DURATION) seed=$(SEED) $(if $(findstring kcsan,$(1)),,kunit.filter_glob=ioasid_stress)
DURATION ?= 30
ON ?= debug

# make ARCH=arm64 chooses the guest. An ARCH in the environment is for other builds.
ifeq ($(origin ARCH),environment)
unexport ARCH
endif

# Features that 6.12 lacks, such as SVA on x86, are tested on this version, unless KERNEL is set.
NEWEST = $(if $(KERNEL),,KERNEL=7.3)

# $(call guest,ARGUMENTS,ENVIRONMENT): runs lab/boot.sh and prints the guest's report.
guest = { echo "\# $(1) $(2)"; $(2) LIMIT=$$(($(DURATION) + 2700)) lab/boot.sh $(1) || echo "not ok - the guest: $(1) $(2)"; }

# A lane prints test results and does not fail itself.
QUICK = guest native-quick check-quick
LANES = debug check monitoring stress arm64 guest others native clients
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
lane.engines = { echo '\# engines'; lab/clients.sh engines $(T) || echo 'not ok - the guest of the engines'; }
lane.monitoring = { echo '\# monitoring'; lab/clients.sh monitoring || echo 'not ok - the guest of monitoring'; }
lane.install = { echo '\# install'; lab/install.sh || echo 'not ok - the machine with Debian 13'; }
run-lanes = exec 8>&2; $(MAKE) --no-print-directory -k -j2 -Otarget $(1) | .ci/count

ALL_LANES = $(sort $(LANES) $(QUICK) engines install)
.PHONY: help run shell shell-debian test test-all check test-native test-guest test-debug test-stress test-arm64
.PHONY: test-others test-clients test-monitoring test-engines test-install $(ALL_LANES:%=lane-%) disk stress coverage bench kernel kernel-deb series
.PHONY: test-series deb install uninstall clean clean-cache

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
	@echo 'make test T=NAME runs the one check, kselftest or KUnit case of that name.'
	@echo 'KERNEL=7.3 chooses that version of Linux, where 6.12 is used otherwise.'

run: ## boot a kernel with the controller and show an administrator's session
	@lab/boot.sh session

shell: ## boot it and give a shell; leave with exit, or Ctrl-A X
	@lab/boot.sh shell

shell-debian: ## give a shell in a Debian guest with the tools and container runtimes
	@lab/clients.sh shell

test: ## the quick checks, the native tests, and KUnit and kselftests in a guest
ifdef T
	@{ .ci/check $(T) || $(lane.guest); } | .ci/count $(T)
else
	@$(call run-lanes,$(QUICK:%=lane-%))
endif

test-all: ## all but test-engines and test-install
	@$(call run-lanes,disk $(LANES:%=lane-%))

# Two lanes run at a time, the longest first. That of the clients has two guests and comes last,
# alone: systemd gives up waiting on a busy machine.
lane-monitoring: | disk
lane-clients: | disk $(filter-out lane-clients,$(LANES:%=lane-%))

# This mostly waits for the network. If it fails, the lanes that need it report that.
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

test-debug: ## these on Linux 7.3 with KASAN, lockdep, kmemleak and more
	@$(lane.debug) | .ci/count $(T)

test-stress: ## 30 s of stress, on the kernel of test-debug and with KCSAN
	@{ $(lane.stress); } | .ci/count

test-arm64: ## KUnit, the tests of SVA and the stress on arm64
	@{ $(lane.arm64); } | .ci/count $(T)

test-others: ## the kernel's own cgroup tests, with the project and without
	@$(lane.others) | .ci/count

test-clients: ## systemd, podman, LXC and others with limits, in Debian guests
	@{ $(lane.clients); } | .ci/count

test-monitoring: ## tracers, Prometheus and a debugger that see IDs, in a Debian guest
	@{ $(lane.monitoring); } | .ci/count

test-engines: ## Docker, containerd, incus and others with limits, in a Debian 13 guest
	@{ $(lane.engines); } | .ci/count

test-install: ## install packages of a kernel in a Debian 13 guest, and remove them
	@{ $(lane.install); } | .ci/count

stress: ## run the stress: DURATION=seconds, SEED=number, ON=debug or kcsan or empty
	@$(call guest,$(call STRESS,'$(ON)')) | .ci/count

coverage: ## print the lines of controller and allocator that KUnit does not run
	@lab/coverage.sh

bench: ## compare the costs with pids, misc, rdma and page_counter
	@tools/testing/ioasids/bench.sh

kernel: ## build only the kernel, and print its directory
	@lab/kernel.sh

kernel-deb: ## build packages of a kernel for a real machine; see lab/kernel-deb.sh
	@lab/kernel-deb.sh

series: ## write patches for git am, from the user who runs it, and print their path
	@lab/series.sh

test-series: ## build and boot the kernel after each of these patches, for ARCH
	@{ lab/series.sh build || echo 'not ok - the series'; } | .ci/count

deb: ## build the Debian package of the tools, and print its path
	@lab/deb.sh

install: ## build and install the tools, below DESTDIR and PREFIX
	@O=$$(mktemp -d) && trap 'rm -r "$$O"' EXIT && $(MAKE) -C tools/ioasids O="$$O" $${DESTDIR:+DESTDIR="$$(realpath -m "$$DESTDIR")"} install

uninstall: ## remove the installed tools
	@$(MAKE) -C tools/ioasids $${DESTDIR:+DESTDIR="$$(realpath -m "$$DESTDIR")"} uninstall

clean: ## do nothing: nothing is built in the checkout
	@echo 'Nothing is built in the checkout; make clean-cache removes the cache'

clean-cache: ## remove everything downloaded and built
	@. lab/lib.sh && rm -rf "$$CACHE" && echo "$$CACHE is removed"
