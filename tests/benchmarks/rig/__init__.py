"""What benchmarks share: a fleet to measure, what its processes took, and their end. No benchmark lives here."""
