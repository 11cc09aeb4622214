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


def latencies(service: Service, rate: int = 50) -> list[float]:
    """Send 50 requests a second for a minute, answered or not."""
    arrivals = [number / rate for number in range(60 * rate)]
    return [service.answer(arrival) - arrival for arrival in arrivals]


def main() -> None:
    found = latencies(Service())
    slow = sum(latency > 0.1 for latency in found)
    print(f"slow: {slow} of {len(found)} requests")
    #> slow: 191 of 3000 requests
    print(f"average: {1000 * mean(found):.0f} ms")
    #> average: 77 ms
    print(f"99%: {1000 * quantiles(found, n=100)[98]:.0f} ms")
    #> 99%: 1720 ms


if __name__ == "__main__":
    main()
