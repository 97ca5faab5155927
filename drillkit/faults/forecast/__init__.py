"""What happens to pods that a drain displaces: whether other nodes hold them, whether budgets let
them go. Pure; what it says is certain, or it says that it is not.
"""

from drillkit.faults.forecast.budgets import blocked_by
from drillkit.faults.forecast.impossible import impossible
from drillkit.faults.forecast.outcome import Forecast
from drillkit.faults.forecast.room import Displaced, Room
from drillkit.faults.forecast.uncertain import uncertain

__all__ = ["Displaced", "Forecast", "Room", "blocked_by", "forecast"]


def forecast(room: Room) -> Forecast:
    """Of all that is displaced together."""
    cannot = tuple(impossible(room))
    if cannot and room.grower:
        return Forecast(unsure=tuple(f"{why}; {room.grower} may add a node" for why in cannot))
    return Forecast(cannot, () if cannot else tuple(uncertain(room)))
