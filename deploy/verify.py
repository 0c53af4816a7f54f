"""Judge the controls in policies/; change nothing. Fails on the hosts where one does not hold.

casemate verify INVENTORY                      # people
pyinfra inventory/lab.py deploy/verify.py      # the same code, plain pyinfra
"""

from deploy.operations.verified import verified

verified(name="Judge the controls")
