"""Which component, in which order.

casemate deploy INVENTORY                     # people
pyinfra inventory/lab.py deploy/site.py       # the same code, plain pyinfra
"""

from pyinfra import host

from deploy.components import docker, gate, logs, network, preflight, proxy, release, sentinel, vision
from deploy.run.guard import begin, end
from deploy.run.scope import scope
from deploy.settings.load import settings_of

settings = settings_of(host)

begin(name="Hold the deploy lock")
for component in scope(host, (preflight, docker, network, logs, release, vision, gate, proxy, sentinel)):
    component.apply(settings)
end(name="Journal the run")
