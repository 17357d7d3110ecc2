"""Statistics: functions and small parts of arrays; no file, no network, no model."""
