"""The hosts of the operator's own lab, as `casemate lab up` has left them. Their settings: group_data/lab.py."""

from deploy.lab.inventory import inventory
from deploy.lab.record import DIRECTORY

lab = inventory(DIRECTORY)
