<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.40.0" styleCategories="Symbology|Labeling">
  <renderer-v2 type="graduatedSymbol" attr="score" graduatedMethod="GraduatedColor" symbollevels="0" enableorderby="1" forceraster="0">
    <ranges>
      <range symbol="0" lower="0.000000" upper="0.200000" label="0.00 - 0.20" render="true"/>
      <range symbol="1" lower="0.200000" upper="0.400000" label="0.20 - 0.40" render="true"/>
      <range symbol="2" lower="0.400000" upper="0.600000" label="0.40 - 0.60" render="true"/>
      <range symbol="3" lower="0.600000" upper="0.800000" label="0.60 - 0.80" render="true"/>
      <range symbol="4" lower="0.800000" upper="1.000000" label="0.80 - 1.00" render="true"/>
    </ranges>
    <symbols>
        <symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="150,105,200,0"/>
              <Option type="QString" name="style" value="no"/>
              <Option type="QString" name="outline_color" value="150,105,200,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.6"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="1" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="84,131,214,0"/>
              <Option type="QString" name="style" value="no"/>
              <Option type="QString" name="outline_color" value="84,131,214,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.6"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="2" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="38,166,154,0"/>
              <Option type="QString" name="style" value="no"/>
              <Option type="QString" name="outline_color" value="38,166,154,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.6"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="3" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="94,201,98,0"/>
              <Option type="QString" name="style" value="no"/>
              <Option type="QString" name="outline_color" value="94,201,98,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.6"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="4" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="253,231,37,0"/>
              <Option type="QString" name="style" value="no"/>
              <Option type="QString" name="outline_color" value="253,231,37,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.6"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
    </symbols>
    <orderby>
      <orderByClause asc="0" nullsFirst="0">"rank"</orderByClause>
    </orderby>
  </renderer-v2>
  <labeling type="simple">
    <settings calloutType="simple">
      <text-style fieldName="rank" isExpression="0" fontFamily="Sans Serif" fontSize="10" fontSizeUnit="Point" fontWeight="75" textColor="255,255,255,255" textOpacity="1" multilineHeight="1">
        <text-buffer bufferDraw="1" bufferSize="1" bufferSizeUnits="MM" bufferColor="20,24,33,255" bufferOpacity="0.85" bufferNoFill="1" bufferJoinStyle="128"/>
      </text-style>
      <placement placement="1" centroidWhole="1" centroidInside="1" quadOffset="4" priority="10"/>
      <rendering obstacle="0" displayAll="0" drawLabels="1" upsidedownLabels="0" mergeLines="0"/>
    </settings>
  </labeling>
</qgis>
