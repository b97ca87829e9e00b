# SPDX-License-Identifier: Apache-2.0
# The documentation as HTML and man pages, completions for shells, and their installation (component "docs").
#
# Targets, if what they need is installed: docs (HTML), man, completions. The default build makes the completions, and with
# BOTTLE_BUILD_DOCS the other two.
include_guard(GLOBAL)
include(BottleToolNames)
include(GNUInstallDirs)

option(BOTTLE_BUILD_DOCS "Build HTML and man pages with the default target (Debian: python3-sphinx, python3-myst-parser)" OFF)
set(BOTTLE_DOC_DIR "${CMAKE_INSTALL_DATAROOTDIR}/doc/bottle" CACHE STRING "Where documentation and examples are installed")
# Debian's packages use share/zsh/vendor-completions.
set(BOTTLE_ZSH_COMPLETIONS_DIR "${CMAKE_INSTALL_DATAROOTDIR}/zsh/site-functions" CACHE STRING "Where completions for zsh are installed")
mark_as_advanced(BOTTLE_DOC_DIR BOTTLE_ZSH_COMPLETIONS_DIR)

find_program(BOTTLE_PYTHON python3 DOC "Python, for the documentation and the completions")
find_program(BOTTLE_SPHINX_BUILD sphinx-build DOC "Sphinx, for the documentation")
mark_as_advanced(BOTTLE_PYTHON BOTTLE_SPHINX_BUILD)

# Sphinx may belong to another Python than BOTTLE_PYTHON: its first line names it.
if(BOTTLE_SPHINX_BUILD AND NOT DEFINED CACHE{BOTTLE_SPHINX_HAS_MYST})
  file(STRINGS "${BOTTLE_SPHINX_BUILD}" _bottle_shebang LIMIT_COUNT 1)
  string(REGEX REPLACE "^#! *" "" _bottle_shebang "${_bottle_shebang}")
  separate_arguments(_bottle_shebang UNIX_COMMAND "${_bottle_shebang}")
  execute_process(COMMAND ${_bottle_shebang} -c "import myst_parser" RESULT_VARIABLE _bottle_result OUTPUT_QUIET ERROR_QUIET)
  if(_bottle_result EQUAL 0)
    set(BOTTLE_SPHINX_HAS_MYST TRUE CACHE INTERNAL "Sphinx has the parser of Markdown")
  endif()
endif()
if(BOTTLE_BUILD_DOCS AND NOT (BOTTLE_PYTHON AND BOTTLE_SPHINX_HAS_MYST))
  message(FATAL_ERROR "BOTTLE_BUILD_DOCS needs python3, sphinx-build and myst_parser (Debian: python3-sphinx, python3-myst-parser)")
endif()

set(_bottle_in_all "")
set(_bottle_optional OPTIONAL)
if(BOTTLE_BUILD_DOCS)
  set(_bottle_in_all ALL)
  set(_bottle_optional "")
endif()

# _bottle_pages(<target> <builder> <out>): a target that runs docs/sphinx/build if a page, a module or the builder changed.
function(_bottle_pages target builder out)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*" "${PROJECT_SOURCE_DIR}/cmake/*.cmake")
  list(FILTER sources EXCLUDE REGEX "__pycache__")
  set(stamp "${PROJECT_BINARY_DIR}/docs/${builder}.stamp")
  add_custom_command(OUTPUT "${stamp}"
    COMMAND "${BOTTLE_PYTHON}" "${PROJECT_SOURCE_DIR}/docs/sphinx/build" --source "${PROJECT_SOURCE_DIR}"
            --work "${PROJECT_BINARY_DIR}/docs/work" --out "${out}" --version "${PROJECT_VERSION}"
            --sphinx-build "${BOTTLE_SPHINX_BUILD}" ${builder}
    COMMAND "${CMAKE_COMMAND}" -E touch "${stamp}"
    DEPENDS ${sources} "${PROJECT_SOURCE_DIR}/CHANGELOG.md" COMMENT "Building the documentation: ${builder}" VERBATIM)
  add_custom_target(${target} ${_bottle_in_all} DEPENDS "${stamp}")
endfunction()

set(_bottle_html "${PROJECT_BINARY_DIR}/docs/html")
set(_bottle_man "${PROJECT_BINARY_DIR}/docs/man")
if(BOTTLE_PYTHON AND BOTTLE_SPHINX_HAS_MYST)
  _bottle_pages(docs html "${_bottle_html}")
  _bottle_pages(man man "${_bottle_man}")
endif()

# One program for all tools, beside them.
configure_file("${PROJECT_SOURCE_DIR}/tools/bottle" "${PROJECT_BINARY_DIR}/bin/bottle" COPYONLY)

set(_bottle_completions "${PROJECT_BINARY_DIR}/completions")
set(_bottle_has_completions FALSE)
if(BOTTLE_PYTHON AND NOT CMAKE_CROSSCOMPILING AND NOT BOTTLE_SANITIZE)
  set(_bottle_has_completions TRUE)
  set(_bottle_programs ${_bottle_all_tools})
  list(TRANSFORM _bottle_programs REPLACE "(.+)" "$<TARGET_FILE:bottle::\\1>")
  set(_bottle_files "")
  foreach(suffix IN ITEMS "" ${_bottle_all_tools})
    string(JOIN "-" tool bottle ${suffix})
    list(APPEND _bottle_files "bash/${tool}" "zsh/_${tool}" "fish/${tool}.fish")
  endforeach()
  list(TRANSFORM _bottle_files PREPEND "${_bottle_completions}/")
  file(GLOB _bottle_generator CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/completions/*.py")
  add_custom_command(OUTPUT "${_bottle_completions}.stamp" BYPRODUCTS ${_bottle_files}
    COMMAND "${BOTTLE_PYTHON}" "${PROJECT_SOURCE_DIR}/completions/generate" --out "${_bottle_completions}" ${_bottle_programs}
    COMMAND "${CMAKE_COMMAND}" -E touch "${_bottle_completions}.stamp"
    DEPENDS ${_bottle_programs} "${PROJECT_SOURCE_DIR}/completions/generate" ${_bottle_generator}
    COMMENT "Writing completions for bash, zsh and fish" VERBATIM)
  add_custom_target(completions ALL DEPENDS "${_bottle_completions}.stamp")
endif()

install(PROGRAMS "${PROJECT_SOURCE_DIR}/tools/bottle" DESTINATION "${CMAKE_INSTALL_BINDIR}")
foreach(section IN ITEMS 1 5 7)
  install(DIRECTORY "${_bottle_man}/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}" COMPONENT docs
    ${_bottle_optional} FILES_MATCHING PATTERN "*.${section}.gz")
endforeach()
if(_bottle_has_completions)
  install(DIRECTORY "${_bottle_completions}/bash/" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" COMPONENT docs)
  install(DIRECTORY "${_bottle_completions}/zsh/" DESTINATION "${BOTTLE_ZSH_COMPLETIONS_DIR}" COMPONENT docs)
  install(DIRECTORY "${_bottle_completions}/fish/" DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d" COMPONENT docs)
endif()
install(FILES "${PROJECT_SOURCE_DIR}/README.md"
  DESTINATION "${BOTTLE_DOC_DIR}" COMPONENT docs)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/examples" DESTINATION "${BOTTLE_DOC_DIR}" COMPONENT docs
  PATTERN "build*" EXCLUDE PATTERN "__pycache__" EXCLUDE)
if(BOTTLE_BUILD_DOCS)
  install(DIRECTORY "${_bottle_html}" DESTINATION "${BOTTLE_DOC_DIR}" COMPONENT docs)
else()
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/docs" DESTINATION "${BOTTLE_DOC_DIR}" COMPONENT docs
    FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN "sphinx" EXCLUDE)
endif()
