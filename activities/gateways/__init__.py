"""Payment gateways behind one protocol: `sandbox` (ours, for laptops and tests) and `stripe`."""
