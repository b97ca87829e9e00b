# SPDX-License-Identifier: Apache-2.0
# `cmake --build <build> --target package`: a Debian package, and an archive bottle-<version>-linux-<arch>.tar.zst that runs
# from any directory (packaging/archive). The same sources and compiler give the same bytes, in any build directory.
#
# Both have the manuals, if Sphinx is installed (packaging/stage.cmake).
include_guard(GLOBAL)

# The launcher of the archive's tools. Without a static C library there is no archive.
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/packaging/static.cpp" CONTENT "int main() {}\n")
try_compile(BOTTLE_STATIC_C_LIBRARY "${PROJECT_BINARY_DIR}/packaging/static" "${PROJECT_BINARY_DIR}/packaging/static.cpp"
  LINK_OPTIONS -static)
set(CPACK_GENERATOR DEB)
if(BOTTLE_STATIC_C_LIBRARY AND NOT BOTTLE_SANITIZE)
  add_executable(bottle-launcher "${PROJECT_SOURCE_DIR}/packaging/launcher.cpp")
  target_link_libraries(bottle-launcher PRIVATE bottle_options)
  target_link_options(bottle-launcher PRIVATE -static LINKER:--gc-sections LINKER:--strip-all LINKER:--build-id=none)
  list(APPEND CPACK_GENERATOR External)
endif()

install(FILES "${PROJECT_SOURCE_DIR}/packaging/copyright" "${PROJECT_SOURCE_DIR}/CHANGELOG.md" DESTINATION "${BOTTLE_DOC_DIR}" COMPONENT docs)

# The time of all files: that of the commit; outside a clone, that of the changelog.
set(_bottle_epoch "$ENV{SOURCE_DATE_EPOCH}")
if(_bottle_epoch STREQUAL "")
  execute_process(COMMAND git -C "${PROJECT_SOURCE_DIR}" log -1 --format=%ct
    OUTPUT_VARIABLE _bottle_epoch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(_bottle_epoch STREQUAL "")
  file(TIMESTAMP "${PROJECT_SOURCE_DIR}/CHANGELOG.md" _bottle_epoch "%s")
endif()

# Who publishes the Debian package, as Debian's own programs read it.
set(_bottle_contact "The Bottle developers <bottle@localhost>")
if(NOT "$ENV{DEBEMAIL}" STREQUAL "")
  set(_bottle_contact "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(BOTTLE_PACKAGE_CONTACT "${_bottle_contact}" CACHE STRING "The maintainer of the Debian package: name <address>")
mark_as_advanced(BOTTLE_PACKAGE_CONTACT)

set(CPACK_PACKAGE_NAME bottle)
set(CPACK_PACKAGE_VENDOR "The Bottle developers")
set(CPACK_PACKAGE_CONTACT "${BOTTLE_PACKAGE_CONTACT}")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "container images and microVM packs as CMake targets")
set(CPACK_PACKAGE_DESCRIPTION "Bottle builds Dockerfiles into OCI images and packs for smolvm as
ordinary targets of CMake. A change runs only the steps whose result it can
alter, and the same inputs give the same bytes. It needs no daemon, no KVM
and no root.
.
This package contains the tools and the CMake package.")
set(CPACK_MONOLITHIC_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PROJECT_CONFIG_FILE "${PROJECT_BINARY_DIR}/packaging/options.cmake")
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/packaging/stage.cmake")
set(_bottle_manuals "")
if(BOTTLE_PYTHON AND BOTTLE_SPHINX_HAS_MYST)
  set(_bottle_manuals "${BOTTLE_PYTHON};${PROJECT_SOURCE_DIR}/docs/sphinx/build;--sphinx-build;${BOTTLE_SPHINX_BUILD}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/packaging/options.cmake.in" "${CPACK_PROJECT_CONFIG_FILE}" @ONLY)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Loaded when they are needed, so the linker does not name them.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libcurl4 | libcurl4t64, libmicrohttpd12 | libmicrohttpd12t64, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "cmake (>= 3.25), crun | runc")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "git, buildah | podman | docker.io")
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_EXTERNAL_ENABLE_STAGING ON)
set(CPACK_EXTERNAL_PACKAGE_SCRIPT "${PROJECT_SOURCE_DIR}/packaging/archive.cmake")
include(CPack)
