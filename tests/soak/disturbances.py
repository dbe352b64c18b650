"""What happens to a volume meanwhile: daemons that fall or are killed with -9 and are started again,
room running out.

Whoever works on the volume asks count() before, and any_since() when something failed: then the
failure may be a disturbance's, and the work is done again; else it is a failure.

Threads: Killer has one of its own; the rest may be called from any.
"""

import threading
import time

import stand

NOTICED_S = 5
LOOK_S = 0.1
# nbdkit before 1.34 ends itself so when a client hangs up in the middle of several answers.
NBDKIT_FELL = "raw_send_socket: Assertion `sock >= 0' failed."


class Disturbances:
    def __init__(self):
        self._lock = threading.Lock()
        self._count = 0
        self._going_on = 0
        self._refusing = False

    def begin(self):
        with self._lock:
            self._count += 1
            self._going_on += 1

    def end(self):
        with self._lock:
            self._count += 1
            self._going_on -= 1

    def count(self):
        """To be handed to any_since(): never the same while one goes on."""
        with self._lock:
            return -1 if self._going_on else self._count

    def any_since(self, count):
        """Also one that is noticed a moment later than what it spoiled."""
        try:
            stand.wait_until(lambda: self._is_other_than(count), "no disturbance", NOTICED_S)
            return True
        except TimeoutError:
            return False

    def _is_other_than(self, count):
        with self._lock:
            return self._going_on > 0 or count != self._count

    def set_refusing(self, refusing):
        """Whether writers may be told that there is no room."""
        with self._lock:
            self._refusing = refusing

    def may_refuse(self):
        with self._lock:
            return self._refusing


class Killer:
    """Kills at random moments of its own, so also in the middle of a command."""

    WHOM = (["server"], ["server"], ["server"], ["agent"], ["agent", "server"], ["server", "agent"],
            ["nbdkit"], ["nbdkit", "server"], ["nbdkit", "agent", "server"])
    BACK = ("agent", "server", "nbdkit")

    def __init__(self, volume, chaos, disturbances, pause_s, tally):
        self._volume = volume
        self._chaos = chaos
        self._disturbances = disturbances
        self._pause_s = pause_s
        self._tally = tally
        self._stopping = threading.Event()
        self._has_stopped = threading.Event()
        self.failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        """No more kills. The thread lives on: nbdkit ends with the thread that started it."""
        self._stopping.set()
        if not self._has_stopped.wait(4 * stand.PATIENCE_S) and self.failure is None:
            self.failure = TimeoutError("a kill does not end")

    def _run(self):
        try:
            while not self._stopping.is_set():
                self._pause(self._chaos.uniform(0.2, 1.8) * self._pause_s)
                self.kill(self._chaos.choice(self.WHOM))
            self._has_stopped.set()
            while True:
                self._pause(1)
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error
            self._has_stopped.set()
            threading.Event().wait()

    def _pause(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stand.wait_briefly(LOOK_S)
            self.raise_a_fallen_nbdkit()

    def raise_a_fallen_nbdkit(self):
        """As a supervisor does. Whatever else nbdkit ends of is a failure, for others to find."""
        nbdkit = self._volume.processes.get("nbdkit")
        if nbdkit is None or nbdkit.poll() is None:
            return
        if not self._volume.log("nbdkit").rstrip().endswith(NBDKIT_FELL):
            return
        self._disturbances.begin()
        try:
            self._volume.start_nbdkit()
            self._tally.add("nbdkit fell")
        finally:
            self._disturbances.end()

    def kill(self, names):
        self._disturbances.begin()
        try:
            for name in names:
                self._volume.kill(name)
                self._tally.add(f"killed {name}")
            back = list(names) if self._chaos.randrange(2) else [
                name for name in self.BACK if name in names]
            for name in back:
                getattr(self._volume, f"start_{name}")()
        finally:
            self._disturbances.end()
