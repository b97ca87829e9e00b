# SPDX-License-Identifier: Apache-2.0
# The engines that build images. The one list of them: the check of ENGINE reads it, and the names that the tools
# know are made from it. src/image/engine/engines.cpp has the driver of each.
set(_bottle_engines builtin docker podman buildah buildx)
