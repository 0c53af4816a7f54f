"""An inventory to copy: cp inventory/production.example.py inventory/production.py, then edit it and group_data/gpu.py.

Check them offline with: casemate check inventory/production.py
"""

# Each list is a group; its data lies in inventory/group_data/<group>.py. A host may bring data of its own.
gpu = [
    "gpu1.example.org",
    ("gpu2.example.org", {"proxy": {"server_name": "vision2.example.org"}}),
]
