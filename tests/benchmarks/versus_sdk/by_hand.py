"""A catalog to pictures with the provider's client library, as a script of a competent user would do it.

    OPENAI_BASE_URL=... OPENAI_API_KEY=... python by_hand.py FOLDER TASKS MAX_RETRIES

It runs side by side what a semaphore lets through, keeps files that are there already, writes whole files only, waits
longer after every failure, does not repeat what cannot succeed, and says what it could not make.
"""

from __future__ import annotations

import asyncio
import base64
import random
import sys
from pathlib import Path

from openai import APIError, AsyncOpenAI, AuthenticationError, BadRequestError, PermissionDeniedError

TRIES = 3
IN_FLIGHT = 50
HOPELESS = (AuthenticationError, BadRequestError, PermissionDeniedError)


async def generate(client: AsyncOpenAI, prompt: str) -> bytes:
    """One picture.

    Raises:
        ValueError: the answer holds none.
    """
    answer = await client.images.generate(
        model="gpt-image-2", prompt=prompt, size="1024x1024", quality="low", output_format="webp"
    )
    if not answer.data or not answer.data[0].b64_json:
        raise ValueError("The answer holds no picture.")
    return base64.b64decode(answer.data[0].b64_json, validate=True)


async def make(client: AsyncOpenAI, gate: asyncio.Semaphore, prompt: str, path: Path) -> str | None:
    """One picture on disk; why not, if not."""
    problem = None
    for number in range(TRIES if not path.exists() else 0):
        if number:
            await asyncio.sleep(random.uniform(1, 10 * 2**number))
        try:
            async with gate:
                picture = await generate(client, prompt)
        except HOPELESS as error:
            return str(error)
        except (APIError, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        else:
            unfinished = path.with_suffix(".part")
            unfinished.write_bytes(picture)
            unfinished.replace(path)
            return None
    return problem


async def main(folder: Path, tasks: int, max_retries: int) -> None:
    gate = asyncio.Semaphore(IN_FLIGHT)
    async with AsyncOpenAI(max_retries=max_retries) as client:
        works = [
            make(client, gate, f"A photo of product {number}.", folder / f"{number}.webp")
            for number in range(tasks)
        ]
        problems = [problem for problem in await asyncio.gather(*works) if problem]
    print(f"{tasks - len(problems)} pictures, {len(problems)} failed", *problems, sep="\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
