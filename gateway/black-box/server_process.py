"""A `fusion serve` on a free port, and the system's figures for its process."""

import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# run.sh sets it.
FUSION = os.environ["FUSION_BIN"]

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
# The line of the banner with the address: the last one under --dev, the only one otherwise.
ADDRESS = re.compile(r"(?:fusion serves on )?http://127\.0\.0\.1:(\d+)\n")


class ServerProcess:
    """A server process. `port` is its port; `None` if it refused to start.

    `files_max`: the limit of open files, soft and hard; `files_soft`: the soft one alone. `umask`: that of the process.
    `environment`: variables besides those of this process.
    """

    def __init__(self, data, log, *options, files_max=None, files_soft=None, umask=-1, environment=None):
        self._log = pathlib.Path(log)
        command = [FUSION, "serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--log", "warn", *options]
        for limit, files in (("-n", files_max), ("-Sn", files_soft)):
            if files:
                command = ["bash", "-c", f'ulimit {limit} {files} && exec "$@"', "bash", *command]
        with open(self._log, "a") as log:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                umask=umask,
                env=os.environ | (environment or {}),
            )
        try:
            self.port = self._read_port()
        except BaseException:
            self.stop()
            raise
        # Reads on, so that output never blocks the server.
        threading.Thread(target=self._process.stdout.read, daemon=True).start()

    def _read_port(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            line = self._process.stdout.readline()
            address = ADDRESS.fullmatch(line)
            if address:
                return int(address[1])
            if not line:
                # Standard output ends with the process.
                self._process.wait(STOP_SECONDS_MAX)
                return None
        sys.exit(f"the server did not start:\n{self.log()}")

    def log(self):
        """What the server wrote to standard error."""
        return self._log.read_text()

    @property
    def ended(self):
        """The exit status; `None` while it runs."""
        return self._process.poll()

    def terminate(self):
        """Sends the server a stop signal."""
        self._process.terminate()

    def wait(self):
        """Waits for the process to end. Returns the exit status."""
        return self._process.wait(STOP_SECONDS_MAX)

    def stop(self):
        """Stops the server, gracefully if possible."""
        # Only the process that this object started.
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def memory_kib(self):
        """Returns the current and the maximum resident memory."""
        lines = pathlib.Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if line.startswith("Vm"))
        return tuple(int(fields[name].split()[0]) for name in ("VmRSS", "VmHWM"))

    def files(self):
        """Returns the number of open files and sockets."""
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def sockets(self):
        """Returns the number of open sockets."""
        found = 0
        for entry in os.scandir(f"/proc/{self._process.pid}/fd"):
            try:
                found += os.readlink(entry.path).startswith("socket:")
            except FileNotFoundError:
                pass  # Closed meanwhile.
        return found

    def files_limits(self):
        """Returns the soft and the hard limit of open files."""
        lines = pathlib.Path(f"/proc/{self._process.pid}/limits").read_text().splitlines()
        return tuple(next(line.split()[3:5] for line in lines if line.startswith("Max open files")))

    def cpu_seconds(self):
        """Returns the CPU time of the process."""
        fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
