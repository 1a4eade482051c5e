"""The published 3D-TYOL builds, which read scene graphs from files and write pictures to files."""
