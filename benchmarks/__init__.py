"""CPU per request, latency, start and memory of the service beside what a bare hop costs."""
