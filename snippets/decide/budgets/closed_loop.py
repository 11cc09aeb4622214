from statistics import mean, quantiles


class Service:
    """Answers one request at a time, in 10 ms, and pauses once for 2 s."""

    free = 0.0

    def answer(self, arrival: float) -> float:
        """Return when the answer comes, in seconds since the start."""
        begin = max(arrival, self.free)
        if 30 <= begin < 32:
            begin = 32
        self.free = begin + 0.01
        return self.free


def latencies(service: Service, seconds: int = 60) -> list[float]:
    """Send the next request when the answer has come, for a minute."""
    now, found = 0.0, []
    while now < seconds:
        answered = service.answer(now)
        found.append(answered - now)
        now = answered
    return found


def main() -> None:
    found = latencies(Service())
    slow = sum(latency > 0.1 for latency in found)
    print(f"slow: {slow} of {len(found)} requests")
    #> slow: 1 of 5801 requests
    print(f"average: {1000 * mean(found):.0f} ms")
    #> average: 10 ms
    print(f"99%: {1000 * quantiles(found, n=100)[98]:.0f} ms")
    #> 99%: 10 ms


if __name__ == "__main__":
    main()
