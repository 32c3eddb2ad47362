"""python -m sandbox.stack: demo, reset, or run -- COMMAND."""

import argparse
import sys

from sandbox.stack.demo import demo, reset
from sandbox.stack.processes import StackError, die_with_parent
from sandbox.stack.run import run


def main() -> int:
    options = _parser().parse_args()
    if options.die_with_parent:
        die_with_parent()
    try:
        if options.action == "run":
            return run(options.command, durable=options.durable)
        return demo() if options.action == "demo" else reset()
    except StackError as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.stack", description=__doc__)
    parser.add_argument("--die-with-parent", action="store_true", help="stop when the caller dies")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("demo", help="run the whole site here, its data kept in var/")
    actions.add_parser("reset", help="throw the demo's data away")
    run_parser = actions.add_parser("run", help="run a command beside a PostgreSQL and a Valkey of its own")
    run_parser.add_argument("--durable", action="store_true", help="let PostgreSQL write as in production")
    run_parser.add_argument("command", nargs="+")
    return parser


if __name__ == "__main__":
    sys.exit(main())
