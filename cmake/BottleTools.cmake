# Where the tools are: built by this very build, part of the installed package, or found on the host.
include_guard(GLOBAL)

# _bottle_tool(<out> <short name>): what a COMMAND starts, for example for "image" the tool bottle-image. A path, or a
# generator expression that becomes one; either is a dependency, so that a new tool runs again.
function(_bottle_tool out name)
  if(NOT BOTTLE_TOOLS_DIR AND TARGET bottle::${name})
    get_target_property(imported bottle::${name} IMPORTED)
    # What is built for another system cannot run here; an installed package was chosen by the user.
    if(imported OR NOT CMAKE_CROSSCOMPILING)
      set(${out} "$<TARGET_FILE:bottle::${name}>" PARENT_SCOPE)
      return()
    endif()
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
    message(FATAL_ERROR "add_bottle: the tool bottle-${name}, which has to run on this machine, was not found in PATH; build "
      "Bottle for this machine first, then name its directory of tools in BOTTLE_TOOLS_DIR")
  endif()
  set(${out} "${${variable}}" PARENT_SCOPE)
endfunction()
