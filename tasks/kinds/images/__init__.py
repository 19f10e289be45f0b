"""Collections of images, each image compared with reference images."""
