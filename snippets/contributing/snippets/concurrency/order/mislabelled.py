import asyncio


async def fetch_length(word: str) -> int:
    """Stand in for a remote call: a longer word takes longer."""
    for _ in word:
        await asyncio.sleep(0)
    return len(word)


async def lengths(words: list[str]) -> dict[str, int]:
    """Return the length of each word, asked for all at once."""
    calls = map(fetch_length, words)
    answers = [await answer for answer in asyncio.as_completed(calls)]
    return dict(zip(words, answers, strict=True))


if __name__ == "__main__":
    print(asyncio.run(lengths(["orange", "fig"])))
    #> {'orange': 3, 'fig': 6}
