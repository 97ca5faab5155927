"""YAML that is not a drill: kubeconfigs, manifests, rules. A drill has places for its mistakes
(`spec.document`).

Read and written by libyaml where PyYAML was built with it: that takes a tenth of the time.
"""

from __future__ import annotations

from typing import Any

MOST_LEVELS = 100
"""Of lists and mappings in each other. What reads them calls itself for each level."""


def load_yaml(text: str) -> Any:
    """The plain data in a text. Raises ValueError for whatever cannot be read as such: what is no
    YAML, a day that no calendar has, nesting without end.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_depth(text, loader)
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"a value that YAML cannot hold: {error}") from error


def _refuse_depth(text: str, loader: Any) -> None:
    """Raises ValueError. Looking at events takes no level of ours for one of the text."""
    import yaml

    level = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
            if level > MOST_LEVELS:
                raise ValueError("nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1


def dump_yaml(data: Any, *, width: int = 80) -> str:
    """Plain data as a text, in the order that it has. Raises yaml.YAMLError for what is none."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    written: str = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=width)
    return written
