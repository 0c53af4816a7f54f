"""What all tests share."""

from hypothesis import HealthCheck, settings

# A machine under load is slow to draw examples; that is no fault of the code under test.
settings.register_profile("casemate", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
settings.load_profile("casemate")
