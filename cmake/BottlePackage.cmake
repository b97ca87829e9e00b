# `cmake --build <build> --target package`: a Debian package, and an archive bottle-<version>-linux-<arch>.tar.zst that runs
# from any directory (packaging/archive). The same sources and compiler give the same bytes.
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

set(_bottle_changelog "${PROJECT_BINARY_DIR}/packaging/changelog.gz")
execute_process(COMMAND gzip -9nc "${PROJECT_SOURCE_DIR}/CHANGELOG.md" OUTPUT_FILE "${_bottle_changelog}" COMMAND_ERROR_IS_FATAL ANY)
install(FILES "${PROJECT_SOURCE_DIR}/packaging/copyright" "${_bottle_changelog}" DESTINATION "${BOTTLE_DOC_DIR}" COMPONENT docs)

# The time of all files: that of the commit; outside a clone, that of the changelog.
set(_bottle_epoch "$ENV{SOURCE_DATE_EPOCH}")
if(_bottle_epoch STREQUAL "")
  execute_process(COMMAND git -C "${PROJECT_SOURCE_DIR}" log -1 --format=%ct
    OUTPUT_VARIABLE _bottle_epoch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(_bottle_epoch STREQUAL "")
  file(TIMESTAMP "${PROJECT_SOURCE_DIR}/CHANGELOG.md" _bottle_epoch "%s")
endif()

set(CPACK_PACKAGE_NAME bottle)
set(CPACK_PACKAGE_VENDOR "The Bottle developers")
set(CPACK_PACKAGE_CONTACT "The Bottle developers <bottle@localhost>")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "container images and microVM packs as CMake targets")
set(CPACK_PACKAGE_DESCRIPTION "Bottle builds Dockerfiles into OCI images and packs for smolvm as ordinary targets
of CMake. A change runs only the steps whose result it can alter, and the same
inputs give the same bytes. It needs no daemon, no KVM and no root.
.
This package contains the tools and the CMake package.")
set(CPACK_MONOLITHIC_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PROJECT_CONFIG_FILE "${PROJECT_BINARY_DIR}/packaging/options.cmake")
configure_file("${PROJECT_SOURCE_DIR}/packaging/options.cmake.in" "${CPACK_PROJECT_CONFIG_FILE}" @ONLY)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
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
