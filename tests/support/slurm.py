"""A real Slurm on this machine: munge, one controller, two nodes with a card each, in a folder of its own."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")
# The cards are names without hardware: what is tested is that Slurm hands them out. Memory is watched by polling what the
# processes of a job hold (OverMemoryKill), and not by cgroups, which containers seldom may write.
CONFIG = """\
ClusterName=superficial
SlurmctldHost=localhost
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill,NoShared
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,defer
ReturnToService=2
MinJobAge=36000
GresTypes=gpu
NodeName=n[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[{node}-{last}] CPUs=8 RealMemory=64000 Gres=gpu:1
PartitionName=cpu Nodes=n[1-2] Default=YES State=UP
PartitionName=gpu Nodes=n[1-2] State=UP
"""


def missing() -> str:
    """Why there can be no Slurm here; empty when there can."""
    gone = [program for program in PROGRAMS if _program(program) is None]
    if gone:
        return f"{', '.join(gone)} missing: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "only root can start slurmd"


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Slurm:
    """Started by `start`, stopped by `stop`; `environment` is what its clients need."""

    def __init__(self, folder: Path, port: int = 26817) -> None:
        self.folder = folder
        # Jobs find this Slurm by the same variable, but the executor takes it from the srun within a job.
        wrapper = folder / "bin/srun"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {_program("srun")} "$@"\n')
        wrapper.chmod(0o755)
        path = f"{wrapper.parent}:{os.environ['PATH']}"
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
        text = CONFIG.format(folder=folder, port=port, node=port + 1, last=port + 2)
        (folder / "slurm.conf").write_text(text)
        (folder / "gres.conf").write_text("NodeName=n[1-2] Name=gpu File=/dev/null\n")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the daemons in the foreground of processes of ours, and wait until both nodes take jobs."""
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        self._run(
            "munged", "--foreground", "--force", *(f"--{name}={self.folder / file}" for name, file in files.items())
        )
        while not (self.folder / "munge.socket").exists():
            time.sleep(0.05)
        (self.folder / "state").mkdir()
        self._run("slurmctld", "-D", "-i")
        for node in ("n1", "n2"):
            (self.folder / f"spool.{node}").mkdir()
            self._run("slurmd", "-D", "-N", node)
        deadline = time.monotonic() + 60
        while self.ask("sinfo", "--noheader", "--format=%T", "--partition=cpu") != "idle":
            assert time.monotonic() < deadline, (self.folder / "slurmctld.log").read_text()[-3000:]
            time.sleep(0.2)

    def stop(self) -> None:
        """End what was started, the last first."""
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def ask(self, *words: str) -> str:
        """What a client prints; empty while the controller does not answer."""
        environment = os.environ | self.environment
        return subprocess.run(words, capture_output=True, text=True, env=environment, check=False).stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """What the controller wrote down of every job, finished ones included."""
        lines = self.ask("scontrol", "--oneliner", "show", "jobs").splitlines()
        return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]

    def _run(self, name: str, *arguments: str) -> None:
        log = open(self.folder / f"{name}.{len(self._daemons)}.out", "wb")  # noqa: SIM115 (the daemon has it)
        environment = os.environ | self.environment
        program = str(_program(name))
        self._daemons.append(subprocess.Popen([program, *arguments], stdout=log, stderr=log, env=environment))
