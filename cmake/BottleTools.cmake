# SPDX-License-Identifier: Apache-2.0
# The paths of the tools: built by this build, part of the installed package, or found on the host.
include_guard(GLOBAL)

# _bottle_tool(<out> <short name>): the program of a COMMAND, for example bottle-image for "image". It is a path, or a
# generator expression that becomes a path. Rules depend on it, so that a new tool runs again.
function(_bottle_tool out name)
  if(NOT BOTTLE_TOOLS_DIR AND TARGET bottle::${name})
    get_target_property(imported bottle::${name} IMPORTED)
    # Tools built for another system cannot run on this machine. An imported tool was chosen by the user.
    if(imported OR NOT CMAKE_CROSSCOMPILING)
      set(${out} "$<TARGET_FILE:bottle::${name}>" PARENT_SCOPE)
      return()
    endif()
  endif()
  if(NOT BOTTLE_TOOLS_DIR AND TARGET bottle-tools)
    message(FATAL_ERROR "add_bottle: bottle-${name} is needed and not in BOTTLE_TOOLS: add \"${name}\"")
  endif()
  _bottle_refuse_expression("add_bottle" BOTTLE_TOOLS_DIR)
  if(BOTTLE_TOOLS_DIR)
    get_filename_component(directory "${BOTTLE_TOOLS_DIR}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
    if(NOT EXISTS "${directory}/bottle-${name}")
      message(FATAL_ERROR "add_bottle: there is no bottle-${name} in BOTTLE_TOOLS_DIR, ${directory}")
    endif()
    set(${out} "${directory}/bottle-${name}" PARENT_SCOPE)
    return()
  endif()
  string(TOUPPER "BOTTLE_${name}_EXECUTABLE" variable)
  find_program(${variable} NAMES bottle-${name} NO_CMAKE_FIND_ROOT_PATH)
  mark_as_advanced(${variable})
  if(NOT ${variable})
    message(FATAL_ERROR "add_bottle: cannot find the tool bottle-${name} for this machine in PATH; build Bottle for this machine "
      "and set BOTTLE_TOOLS_DIR to its directory of tools")
  endif()
  set(${out} "${${variable}}" PARENT_SCOPE)
endfunction()
