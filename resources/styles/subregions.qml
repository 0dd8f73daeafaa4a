<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.40.0" styleCategories="Symbology">
  <renderer-v2 type="categorizedSymbol" attr="keyword" symbollevels="0" enableorderby="0" forceraster="0">
    <categories>
      <category type="string" symbol="0" value="keyword 1" label="keyword 1" render="true"/>
      <category type="string" symbol="1" value="keyword 2" label="keyword 2" render="true"/>
      <category type="string" symbol="2" value="keyword 3" label="keyword 3" render="true"/>
      <category type="string" symbol="3" value="keyword 4" label="keyword 4" render="true"/>
      <category type="string" symbol="4" value="keyword 5" label="keyword 5" render="true"/>
      <category type="string" symbol="5" value="keyword 6" label="keyword 6" render="true"/>
      <category type="string" symbol="6" value="keyword 7" label="keyword 7" render="true"/>
      <category type="string" symbol="7" value="keyword 8" label="keyword 8" render="true"/>
    </categories>
    <symbols>
        <symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="230,159,0,46"/>
              <Option type="QString" name="style" value="solid"/>
              <Option type="QString" name="outline_color" value="230,159,0,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.4"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="1" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="86,180,233,46"/>
              <Option type="QString" name="style" value="solid"/>
              <Option type="QString" name="outline_color" value="86,180,233,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.4"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="2" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="0,158,115,46"/>
              <Option type="QString" name="style" value="solid"/>
              <Option type="QString" name="outline_color" value="0,158,115,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.4"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="3" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="240,228,66,46"/>
              <Option type="QString" name="style" value="solid"/>
              <Option type="QString" name="outline_color" value="240,228,66,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.4"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="4" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="0,114,178,46"/>
              <Option type="QString" name="style" value="solid"/>
              <Option type="QString" name="outline_color" value="0,114,178,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.4"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="5" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="213,94,0,46"/>
              <Option type="QString" name="style" value="solid"/>
              <Option type="QString" name="outline_color" value="213,94,0,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.4"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="6" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="204,121,167,46"/>
              <Option type="QString" name="style" value="solid"/>
              <Option type="QString" name="outline_color" value="204,121,167,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.4"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
        <symbol type="fill" name="7" alpha="1" clip_to_extent="1" force_rhr="0">
          <layer class="SimpleFill" enabled="1" locked="0" pass="0">
            <Option type="Map">
              <Option type="QString" name="color" value="255,255,255,46"/>
              <Option type="QString" name="style" value="solid"/>
              <Option type="QString" name="outline_color" value="255,255,255,255"/>
              <Option type="QString" name="outline_style" value="solid"/>
              <Option type="QString" name="outline_width" value="0.4"/>
              <Option type="QString" name="outline_width_unit" value="MM"/>
              <Option type="QString" name="joinstyle" value="miter"/>
            </Option>
          </layer>
        </symbol>
    </symbols>
  </renderer-v2>
</qgis>
