# SPDX-License-Identifier: Apache-2.0
# Run by cpack on the staged files of each package: adds what a package has and an installation does not. cpack may set
# DESTDIR, which file(INSTALL) would prepend.

set(_permissions OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)

# -- The manuals. Built here and not by the target "man", so that their date is that of the package; one time for a run of cpack.

if(BOTTLE_MANUALS)
  set(_work "${CPACK_PACKAGE_DIRECTORY}/_CPack_Packages/manuals")
  if(NOT "$ENV{_BOTTLE_MANUALS}" STREQUAL _work)
    execute_process(
      COMMAND ${BOTTLE_MANUALS} --source "${BOTTLE_SOURCE_DIR}" --work "${_work}/work" --out "${_work}/man"
              --version "${CPACK_PACKAGE_VERSION}" man
      COMMAND_ERROR_IS_FATAL ANY)
    set(ENV{_BOTTLE_MANUALS} "${_work}")
  endif()
  foreach(_section IN ITEMS 1 5 7)
    file(GLOB _pages "${_work}/man/*.${_section}.gz")
    file(COPY ${_pages} DESTINATION "${CPACK_TEMPORARY_DIRECTORY}${CPACK_PACKAGING_INSTALL_PREFIX}/share/man/man${_section}"
      FILE_PERMISSIONS ${_permissions} DIRECTORY_PERMISSIONS ${_permissions} OWNER_EXECUTE GROUP_EXECUTE WORLD_EXECUTE)
  endforeach()
else()
  message(WARNING "the package has no manual pages: install Sphinx and MyST (Debian: python3-sphinx, python3-myst-parser), "
    "then configure and package again")
endif()
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()

# -- What Debian's policy requires.

set(_share "${CPACK_TEMPORARY_DIRECTORY}/usr/share")
if(EXISTS "${_share}/zsh/site-functions")
  file(RENAME "${_share}/zsh/site-functions" "${_share}/zsh/vendor-completions")
endif()
file(MAKE_DIRECTORY "${_share}/lintian/overrides")
file(COPY_FILE "${BOTTLE_SOURCE_DIR}/packaging/lintian-overrides" "${_share}/lintian/overrides/bottle")
file(CHMOD "${_share}/lintian" "${_share}/lintian/overrides"
  PERMISSIONS ${_permissions} OWNER_EXECUTE GROUP_EXECUTE WORLD_EXECUTE)
file(CHMOD "${_share}/lintian/overrides/bottle" PERMISSIONS ${_permissions})

# The upstream changelog, and one entry for the package with the time of its files.
string(TIMESTAMP _date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE "${CPACK_TOPLEVEL_DIRECTORY}/changelog.Debian"
  "bottle (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * Release ${CPACK_PACKAGE_VERSION}. changelog.gz lists the changes.

 -- ${CPACK_PACKAGE_CONTACT}  ${_date}
")
function(_compress file target)
  execute_process(COMMAND gzip -9nc "${file}" OUTPUT_FILE "${_share}/doc/bottle/${target}" COMMAND_ERROR_IS_FATAL ANY)
  file(CHMOD "${_share}/doc/bottle/${target}" PERMISSIONS ${_permissions})
endfunction()
_compress("${CPACK_TOPLEVEL_DIRECTORY}/changelog.Debian" changelog.Debian.gz)
_compress("${_share}/doc/bottle/CHANGELOG.md" changelog.gz)
file(REMOVE "${_share}/doc/bottle/CHANGELOG.md")
