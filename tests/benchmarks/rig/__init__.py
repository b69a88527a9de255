"""What benchmarks share: a fleet to measure, and what its processes took. No benchmark lives here."""
