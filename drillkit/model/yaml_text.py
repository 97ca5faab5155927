"""YAML that is not a drill: kubeconfigs, manifests, rules. A drill has places for its mistakes
(`spec.document`).
"""

from __future__ import annotations

from typing import Any


def load_yaml(text: str) -> Any:
    """The plain data in a text. Raises ValueError for whatever cannot be read as such: what is no
    YAML, a day that no calendar has, nesting without end.
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"a value that YAML cannot hold: {error}") from error
