"""Write docs/messages.md and docs/messages: every kind of message as each receiver gets it.

Each story runs through the jobs of the daemon: what is shown was decided and planned from records.

    python -m scripts.messages            # run all stories, and write all files
    python -m scripts.messages tenant     # one story
    python -m scripts.messages --layout   # lay the stored webhook bodies out again
"""

from __future__ import annotations

import argparse
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor

import structlog

from monitor.actions.receivers.base import Delivery
from scripts.messages.evaluation import record_evaluation
from scripts.messages.files import FOLDER, PAGE, Story, load, write_bodies, write_layouts, write_page
from scripts.messages.record import record
from scripts.messages.scenarios import EVALUATION, story_list


def run_story(story: Story) -> list[tuple[str, Delivery]]:
    """Return what the receivers of a story are sent."""
    return record_evaluation(story) if story.name == EVALUATION else record(story)


def run(story: Story) -> None:
    """Run a story and store the bodies that the webhook was sent."""
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    (FOLDER / f"{story.name}.json").write_text(write_bodies(run_story(story)))
    print(story.name, flush=True)


def main() -> int:
    """Run the stories that are named, and write the files of all."""
    stories = story_list()
    parser = argparse.ArgumentParser(prog="python -m scripts.messages")
    parser.add_argument("names", nargs="*", choices=[[], *[story.name for story in stories]], metavar="STORY")
    parser.add_argument("--layout", action="store_true", help="run no story")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if not asked.layout:
        with ProcessPoolExecutor(asked.jobs) as pool:
            list(pool.map(run, [story for story in stories if not asked.names or story.name in asked.names]))
    for story in stories:
        for path, text in write_layouts(story).items():
            path.write_text(text)
    PAGE.write_text(write_page([(story, load(story)) for story in stories]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
