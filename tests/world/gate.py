"""Time in a test: an answer that has to wait stands at a gate until the test lets it go on."""

from tests.world.notice import Notice


class Gate:
    """Where all answers of one model wait. Closed at first."""

    def __init__(self, notice: Notice) -> None:
        self.arrivals = 0
        """Waits begun so far, whether or not they are over."""
        self._notice = notice
        self._passes = 0
        self._is_open = False

    def open(self) -> None:
        """Let everybody through, from now on."""
        self._is_open = True
        self._notice.happened()

    def step(self, passes: int = 1) -> None:
        """Let that many waits through, the present ones or those to come."""
        self._passes += passes
        self._notice.happened()

    async def arrived(self, arrivals: int = 1) -> None:
        """Return when that many waits have begun in all."""
        await self._notice.until(lambda: self.arrivals >= arrivals)

    async def wait(self) -> None:
        """Wait to be let through. The world calls this."""
        self.arrivals += 1
        self._notice.happened()
        await self._notice.until(lambda: self._is_open or self._passes > 0)
        if not self._is_open:
            self._passes -= 1
