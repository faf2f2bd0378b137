# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: monitoring
#
# Prometheus and its node_exporter, as Debian configures them: the metrics of ioasidctl
# export are found by queries, and fire alerts.

metrics=/var/lib/prometheus/node-exporter/ioasids.prom
installed=/usr/share/ioasids-tools

# ask QUERY: prints the answer of Prometheus, one sample a line: its labels, then its value.
# What the timer does once a minute is done now. If a busy machine delays a scrape for too long,
# all samples are stale until the next: so each answer is waited for.
ask() {
	local query=${1//%/%25}
	ioasidctl export --depth 3 --output $metrics
	query=${query// /%20}
	query=${query//+/%2B}
	busybox wget -q -O - "http://127.0.0.1:9090/api/v1/query?query=${query//\"/%22}" |
		sed 's/{"metric":/\n/g' | sed -nE 's/^(\{[^}]*\}),"value":\[[0-9.e+]*,"([^"]*)"\].*/\1 \2/p' | sort
}

# sample NAME CGROUP: prints its value.
sample() { ask "$1{cgroup=\"$2\"}" | sed 's/.* //'; }

# fires ALERT: prints the cgroups for which it fires.
fires() { ask "ALERTS{alertname=\"$1\", alertstate=\"firing\"}" | sed 's/.*"cgroup":"\([^"]*\)".*/\1/' | sort; }

# Only with the timer, which is not enabled by default, and then repeatedly.
exports_metrics() {
	local first
	is disabled systemctl is-enabled ioasids-export.timer
	[ ! -e $metrics ]
	mkdir -p /etc/systemd/system/ioasids-export.timer.d
	printf '[Timer]\nOnUnitActiveSec=2s\n' >/etc/systemd/system/ioasids-export.timer.d/soon.conf
	systemctl enable --now ioasids-export.timer
	eventually test -s $metrics
	is 644 stat -c %a $metrics
	is '*ioasids_capacity 1048575 *' cat $metrics
	grep -q '^ioasids_current{cgroup="/lab.slice"} ' $metrics
	first=$(stat -c %i $metrics)
	eventually not is "$first" stat -c %i $metrics
	is success systemctl show -P Result ioasids-export.service
	# Only errors are logged.
	journalctl --sync
	not grep -q Export <(journalctl -o cat -u ioasids-export.service)
	systemctl disable --now ioasids-export.timer
}

# As the documentation says.
exports_to_another_directory() {
	mkdir -p /srv/metrics /etc/systemd/system/ioasids-export.service.d
	cat >/etc/systemd/system/ioasids-export.service.d/override.conf <<-END
		[Service]
		ExecStart=
		ExecStart=/usr/bin/ioasidctl export --depth 3 --output /srv/metrics/ioasids.prom
		ReadWritePaths=/srv/metrics
	END
	systemctl daemon-reload
	systemctl start ioasids-export.service
	grep -q '^ioasids_current{cgroup="/lab.slice"} ' /srv/metrics/ioasids.prom
	rm -r /srv/metrics /etc/systemd/system/ioasids-export.service.d
}

starts() {
	systemctl unmask prometheus prometheus-node-exporter
	# The other collectors would only take time.
	echo 'ARGS="--collector.disable-defaults --collector.textfile"' >/etc/default/prometheus-node-exporter
	# Alerts that wait for minutes wait for seconds here.
	sed 's/for: .*/for: 2s/' $installed/ioasids.rules.yml >/etc/prometheus/ioasids.rules.yml
	cat >/etc/prometheus/prometheus.yml <<-END
		global:
		  scrape_interval: 5s
		  evaluation_interval: 5s
		rule_files:
		  - /etc/prometheus/ioasids.rules.yml
		scrape_configs:
		  - job_name: node
		    static_configs:
		      - targets: ['127.0.0.1:9100']
	END
	promtool check rules $installed/ioasids.rules.yml
	promtool check config /etc/prometheus/prometheus.yml
	systemctl start prometheus-node-exporter prometheus
	eventually is '*"job":"node"} 1' ask up
	eventually is '*} 1048575' ask ioasids_capacity
	eventually is '*} 0' ask node_textfile_scrape_error
}

# What cgroups have, now and refused before; a name that a user chose does not hide others.
answers() {
	local name=$'bad\t"name\\\xe9'
	limit watched watched.slice 3
	ioasidctl apply
	systemd-run --slice=watched.slice --unit=holder sh -c "$inside" 3
	limited watched.slice 3
	eventually is 3 sample ioasids_current /watched.slice
	eventually is 1 sample ioasids_local_refused_total /watched.slice
	eventually is 3 sample ioasids_max /watched.slice
	eventually is 3 sample ioasids_peak /watched.slice
	eventually is 0 sample ioasids_reserved /watched.slice
	eventually is 1 sample ioasids_sets /watched.slice
	eventually is 3 sample ioasids_current /watched.slice/holder.service
	# It has no limit: the slice refused what it had asked for.
	eventually is '' sample ioasids_max /watched.slice/holder.service
	eventually is 0 sample ioasids_local_refused_total /watched.slice/holder.service
	eventually is 1 sample ioasids_local_failed_total /watched.slice/holder.service
	mkdir "$root/$name"
	eventually is '*bad*name* 0' ask 'ioasids_current{cgroup=~"/bad.011.name.+"}'
	eventually is '*} 0' ask node_textfile_scrape_error
	rmdir "$root/$name"
}

# One alert for each, of the cgroup that it is about and no other.
warns() {
	eventually is /watched.slice fires IoasidsNearLimit
	for _ in 1 2 3; do
		not ioasidctl run --slice=watched.slice --max=max ioasid-hold --alloc=1
	done
	eventually is 4 sample ioasids_local_refused_total /watched.slice
	eventually is /watched.slice fires IoasidsRefused
	systemctl stop holder
	eventually is '' fires IoasidsNearLimit
	eventually is '' fires IoasidsMachineFull
	eventually is '' fires IoasidsDyingCgroup
}

# The queries of the documentation.
shows_most() {
	systemd-run --slice=watched.slice --unit=holder ioasid-hold --alloc=2 --hold
	eventually is '*"cgroup":"/watched.slice/holder.service",*} 2' ask 'topk(1, ioasids_current{cgroup=~".*[.]service"})'
	eventually is '*"cgroup":"/watched.slice"*} 0.6666*' ask 'ioasids_current / ioasids_max > 0.5'
	eventually is '*"cgroup":"/watched.slice"*} [1-9]*' ask 'increase(ioasids_local_refused_total[1h]) > 0'
	eventually is '*"cgroup":"/watched.slice/holder.service",*' ask 'ioasids_current unless ioasids_max'
}

ends() {
	systemctl stop prometheus prometheus-node-exporter
	systemctl stop watched.slice
	rm -r /etc/systemd/system/ioasids-export.timer.d /etc/ioasids.d/watched.conf
	systemctl daemon-reload
	gone watched.slice
}

check 'export: a timer writes metrics for node_exporter' exports_metrics
check 'export: to another directory' exports_to_another_directory
check 'Prometheus: starts, and reads them' starts
check 'Prometheus: queries of charges, limits and refusals' answers
check 'Prometheus: alerts' warns
check 'Prometheus: the queries of the documentation' shows_most
check 'Prometheus: ends' ends
