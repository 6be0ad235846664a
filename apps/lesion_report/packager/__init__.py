"""From the application to a MONAI Application Package: staging, NVIDIA's packager with our builder, build context."""
