"""The simulator as a process of its own."""

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]


async def _start(*options: str) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", "--port", "0", *options, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    return process, line.removeprefix("simulator listening on ").strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_drops_its_calls_when_told_to_stop(number: signal.Signals) -> None:
    process, url = await _start("--latency-factor", "1000")
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer sk-x"}) as http:
        body = {"model": "gpt-image-2", "prompt": "a mug"}
        asking = asyncio.create_task(http.post(f"{url}/v1/images/generations", json=body))
        in_flight = 0
        while not in_flight:
            async with http.get(f"{url}/_sim/ledger") as response:
                in_flight = (await response.json())["totals"]["in_flight"]
        process.send_signal(number)
        code = await asyncio.wait_for(process.wait(), 60)
        with pytest.raises(aiohttp.ClientError):
            await asking
    assert code == 0


async def test_its_options_are_in_force(tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text('[[rules]]\nkind = "error_503"\n')
    process, url = await _start("--faults", str(script), "--images-per-minute", "5", "--window", "fixed")
    async with aiohttp.ClientSession() as http, http.get(f"{url}/_sim/state") as response:
        state = await response.json()
    process.terminate()
    await process.wait()
    assert state["limits"]["images_per_minute"] == 5
    assert state["limits"]["window"] == "fixed"
    assert state["faults"]["rules"][0]["kind"] == "error_503"


async def test_a_broken_fault_script_stops_it_with_the_reason(tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text('[[rules]]\nkind = "flood"\n')
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "--port", "0", "--faults", str(script)),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"rules[0]: kind must be one of" in errors
