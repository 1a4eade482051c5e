#!/usr/bin/env bash
# A real Slurm on this machine for the tests: four nodes, two of them with a pretended GPU, in the
# partitions cpu and gpu.
#   tests/slurm.sh start FOLDER [LINE ...]   installs it with apt where it is missing, and starts it;
#                                 the lines are added to slurm.conf, where the last of a key counts
#   tests/slurm.sh stop FOLDER    cancels all jobs, ends the daemons, removes their settings
# Needs root. No systemd, munge, database or cgroups. Exit status 3: this machine belongs to a
# cluster; 4: Slurm cannot be installed.
set -euo pipefail
mark="# Written by simtailor's tests"
settings=/etc/slurm # the job-step plugin passes no SLURM_CONF on
folder=$(realpath -m "$2")
PATH=$PATH:/usr/sbin:/sbin # where the daemons are

install_slurm() {
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v sbatch >/dev/null && return
    export DEBIAN_FRONTEND=noninteractive
    local packages=(slurmctld slurmd slurm-client)
    apt-get install -y -q --no-install-recommends "${packages[@]}" ||
        { apt-get update -q && apt-get install -y -q --no-install-recommends "${packages[@]}"; }
}

configure() {
    local file
    for file in slurm.conf gres.conf cgroup.conf; do
        if [ -e "$settings/$file" ] && ! grep -q "$mark" "$settings/$file"; then
            echo "$settings/$file is not ours: this machine belongs to a cluster" >&2
            exit 3
        fi
    done
    mkdir -p "$settings" "$folder/state" "$folder"/spool/n{1..4}
    touch "$folder/gpu0"
    cat >"$settings/slurm.conf" <<END
$mark
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobs.txt
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory,CR_LLN
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=600
KillWait=2
GresTypes=gpu
NodeName=n[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=8 RealMemory=16000
NodeName=n[3-4] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[17003-17004] CPUs=8 RealMemory=16000 Gres=gpu:1
PartitionName=cpu Nodes=n[1-2] Default=YES MaxTime=UNLIMITED DefMemPerCPU=100
PartitionName=gpu Nodes=n[3-4] MaxTime=UNLIMITED DefMemPerCPU=100
END
    if [ "$#" -gt 0 ]; then printf '%s\n' "$@" >>"$settings/slurm.conf"; fi
    # Read where a line above asks for task/cgroup.
    printf '%s\nCgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\n' "$mark" >"$settings/cgroup.conf"
    printf '%s\nNodeName=n[3-4] Name=gpu File=%s\n' "$mark" "$folder/gpu0" >"$settings/gres.conf"
}

start() {
    slurmctld || return 1
    for node in n1 n2 n3 n4; do slurmd -N "$node"; done
    for _ in $(seq 200); do
        if [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | wc -l)" = 4 ]; then return; fi
        sleep 0.1
    done
    tail -n 20 "$folder"/*.log >&2
    return 1
}

stop() {
    local file process
    scancel --user=root 2>/dev/null && sleep 1 || true
    for file in "$folder"/slurmd.*.pid "$folder/slurmctld.pid"; do
        [ -e "$file" ] || continue
        process=$(cat "$file")
        kill "$process" 2>/dev/null || continue
        for _ in $(seq 50); do kill -0 "$process" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$process" 2>/dev/null || true
    done
    for file in "$settings"/{slurm,gres,cgroup}.conf; do
        if grep -qs "$mark" "$file"; then rm "$file"; fi
    done
}

case $1 in
start)
    install_slurm || exit 4
    configure "${@:3}"
    start || { stop && exit 1; }
    ;;
stop) stop ;;
*) echo "start or stop?" >&2 && exit 2 ;;
esac
