"""What starts sandboxes needs of the machine: bubblewrap, limits, processes.

Beside the rooms: hub and gateway start the same kind of sandbox on one machine.
"""
