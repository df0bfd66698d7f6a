"""How one process of the facility asks another; beside the rooms, since several ask."""
