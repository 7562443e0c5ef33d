"""Everything Attune needs on one machine: embedded servers, the supervisor that runs them, the doctor."""
