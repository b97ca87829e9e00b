# SPDX-License-Identifier: Apache-2.0
#[=======================================================================[.rst:
bottle_outputs
--------------

Returns the paths of a bottle's files, for your own rules::

  bottle_outputs(<slug>
    [PACK <variable>] [PLAN <variable>] [LAYOUT <variable>] [LAYOUT_STAMP <variable>]
    [DIRECTORY <variable>] [SPEC <variable>])

The bottle may be declared later. With a multi-config generator the paths
contain ``$<CONFIG>``: use them where generator expressions are allowed.

``PACK``
  ``<slug>.smolmachine``; built by ``bottle-<slug>``.
``PLAN``
  ``image.json``, the image plan; built by ``bottle-<slug>-image``. It changes
  only if the image changes.
``LAYOUT``, ``LAYOUT_STAMP``
  The OCI image layout, a directory, and the file to depend on; built by
  ``bottle-<slug>-oci``.
``DIRECTORY``
  The directory of all these files.
``SPEC``
  The specification, the input of the tools.

Example::

  bottle_outputs(hello PACK pack)
  add_custom_command(OUTPUT hello.sum
    COMMAND sha256sum "${pack}" > hello.sum
    DEPENDS "${pack}" bottle-hello)

Since 0.1
#]=======================================================================]
include_guard(GLOBAL)

# The build directory of a bottle (`bottles`) or a gate (`gates`). Files of targets differ by configuration, and so does
# everything built from them. So with a multi-config generator each configuration has separate directories. bottle-why
# expects the same paths.
function(_bottle_directory out slug kind)
  set(configuration "")
  get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(multi_config)
    set(configuration "/$<CONFIG>")
  endif()
  set(${out} "${CMAKE_BINARY_DIR}${configuration}/${kind}/${slug}" PARENT_SCOPE)
endfunction()

function(bottle_outputs slug)
  set(keywords PACK PLAN LAYOUT LAYOUT_STAMP DIRECTORY SPEC)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "${keywords}" "")
  _bottle_check_slug("bottle_outputs" "${slug}")
  _bottle_refuse_unparsed(bottle_outputs "${slug}" "${keywords}" "${ARG_UNPARSED_ARGUMENTS}" "${ARG_KEYWORDS_MISSING_VALUES}")
  _bottle_directory(directory "${slug}" bottles)
  set(PACK "${directory}/${slug}.smolmachine")
  set(PLAN "${directory}/image.json")
  set(LAYOUT "${directory}/oci")
  set(LAYOUT_STAMP "${directory}/oci.stamp")
  set(DIRECTORY "${directory}")
  set(SPEC "${directory}/spec.json")
  foreach(keyword IN LISTS keywords)
    if(ARG_${keyword})
      set(${ARG_${keyword}} "${${keyword}}" PARENT_SCOPE)
    endif()
  endforeach()
endfunction()
