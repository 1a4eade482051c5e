"""What a user's folders hold: one walk, one reading of images, one report of what was taken."""
